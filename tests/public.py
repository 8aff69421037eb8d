"""What the package shows of itself."""

from types import ModuleType

import w2vflow as wf


def public_names():
    """Every public name, with the module or package that has it."""
    for name in wf.__all__:
        value = getattr(wf, name)
        if not isinstance(value, ModuleType):
            yield name, value
            continue
        for inner in value.__all__:
            thing = getattr(value, inner)
            if isinstance(thing, ModuleType):
                yield from ((f"{name}.{inner}.{x}", getattr(thing, x)) for x in thing.__all__)
            elif inner not in wf.__all__:
                yield f"{name}.{inner}", thing
