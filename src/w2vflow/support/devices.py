"""Devices: the one for float64, the mesh over which words are spread, versions."""

import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

import jax
import numpy as np
from jax.sharding import Mesh

from w2vflow.support.checks import argument_error

__all__ = [
    "WORDS",
    "describe_devices",
    "describe_mesh",
    "float64_device",
    "require_float64",
    "versions",
    "word_mesh",
]

# The mesh axis along which the rows of words are spread.
WORDS = "words"

# Platforms whose hardware has float64. A TPU has not: XLA would emulate it, slowly and not faithfully.
_FLOAT64_PLATFORMS = ("cpu", "gpu", "cuda", "rocm")


def float64_device() -> jax.Device:
    """Return the first device of this process that has float64: the default one, or a CPU beside it."""
    return next(
        device for device in (*jax.local_devices(), *jax.local_devices(backend="cpu")) if has_float64(device)
    )


def has_float64(device: jax.Device) -> bool:
    """Return whether the hardware of a device computes in float64."""
    return device.platform in _FLOAT64_PLATFORMS


def word_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return the mesh over which the rows of words are spread: on `float64_device()` by default.

    Raises:
        ValueError: no devices, or one that has no float64.
    """
    devices = [float64_device()] if devices is None else list(devices)
    lacking = [device for device in devices if not has_float64(device)]
    if not devices or lacking:
        remedy = 'Use `jax.devices("cpu")`: theory and flow are never computed in less.'
        raise argument_error("devices", "devices that have float64", lacking or "none", remedy)
    return Mesh(np.asarray(devices), (WORDS,))


def describe_mesh(mesh: Mesh) -> str:
    """Return the description of a mesh that a result carries."""
    where = describe_devices(mesh.devices.ravel().tolist())
    default = jax.devices()[0]
    if has_float64(default):
        return where
    return f"{where} (no float64 on {default.device_kind})"


def describe_devices(devices: Sequence[jax.Device]) -> str:
    """Return the kind of the devices, and how many there are of several."""
    kind = devices[0].device_kind
    return f"{len(devices)} x {kind}" if len(devices) > 1 else kind


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of what it computes with."""
    packages = ("w2vflow", "jax", "jaxlib", "diffrax", "optax", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


@cache
def _version(package: str) -> str:
    # Read once a process: the metadata of seven packages take as long as half an exact solution.
    return version(package)


def require_float64(function: str) -> None:
    """Raise `ValueError` unless JAX computes in float64, which tiny initial weights need."""
    if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            f"`{function}` needs float64, but JAX is set to float32: in float32 a growth from 1e-8 loses its "
            'digits. Call `jax.config.update("jax_enable_x64", True)` before building the `Problem`, '
            "or set the environment variable JAX_ENABLE_X64=1."
        )
