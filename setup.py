"""Installs chatnet."""

from setuptools import Extension, find_packages, setup

setup(
    # With this, an editable install is a plain path file, and twistd finds the plugin in it.
    package_dir={"": "."},
    package_data={"chatnet.web": ["page/*"], "chatnet.test": ["data/*"]},
    packages=[*find_packages(include=["chatnet", "chatnet.*"]), "twisted.plugins"],
    # Without a compiler it is left out, and everything works as well: see docs/performance.md.
    ext_modules=[Extension("_chatnet_sends", ["chatnet/server/_sends.c"], optional=True)],
)
