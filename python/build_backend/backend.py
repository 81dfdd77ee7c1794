"""The build backend: scikit-build-core's, and what it cannot do by itself.

An sdist has to bring the C++ sources along, which lie beside this folder and not in it; a wheel is
made to hold the libraries that it needs, and is named for the systems it runs on (manylinux).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scikit_build_core import build as _build
from scikit_build_core.build import (
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_wheel",
]

# Of the repository: what the extension is built from.
_SOURCES = ["CMakeLists.txt", "LICENSE", "wire", "engine", "drivers", "third_party",
            "spec/peer.capnp"]


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    repository, copied = Path("..").resolve(), Path("sources")
    if not (repository / "engine").is_dir():
        return _build.build_sdist(sdist_directory, config_settings)
    shutil.rmtree(copied, ignore_errors=True)
    try:
        for name in _SOURCES:
            source, target = repository / name, copied / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)
        return _build.build_sdist(sdist_directory, config_settings)
    finally:
        shutil.rmtree(copied, ignore_errors=True)


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    if not sys.platform.startswith("linux"):
        return _build.build_wheel(wheel_directory, config_settings, metadata_directory)
    with tempfile.TemporaryDirectory() as built:
        name = _build.build_wheel(built, config_settings, metadata_directory)
        repaired = Path(built) / "repaired"
        subprocess.run(
            [sys.executable, "-m", "auditwheel", "repair", "--strip", "-w", str(repaired),
             str(Path(built) / name)],
            check=True,
        )
        (wheel,) = repaired.iterdir()
        shutil.copy2(wheel, Path(wheel_directory) / wheel.name)
        return wheel.name
