"""Unit tests, inside the package so that ``trial chatnet`` runs them wherever it is installed."""
