"""Installs chatnet."""

from setuptools import find_packages, setup

setup(
    # With this, an editable install is a plain path file, and twistd finds the plugin in it.
    package_dir={"": "."},
    package_data={"chatnet.web": ["page/*"], "chatnet.test": ["data/*"]},
    packages=[*find_packages(include=["chatnet", "chatnet.*"]), "twisted.plugins"],
)
