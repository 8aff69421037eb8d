"""What tests of pages in a browser have in common."""

import pytest

__all__ = ["until"]


def until(page, expression):
    """Wait for it from here: the page's policy lets no text be run as script within it."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came true: {expression}")
