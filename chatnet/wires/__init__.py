"""How bytes become units: lines, the gate that stops reading, the door that listens first."""
