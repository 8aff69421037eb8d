"""Docstrings of the package as mkdocstrings expects those of Google's style: an extension of griffe."""

import re
from typing import Any

import griffe

__all__ = ["HouseStyle"]

_CONTINUED_NAMES = re.compile(r"^( +[\w, ]+,)\n +([\w, ]+: )", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Turns `Example:` into the section `Examples:`, and joins the names of arguments that share one text."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one function or class."""
        if obj.docstring:
            text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = _CONTINUED_NAMES.sub(r"\1 \2", text)
