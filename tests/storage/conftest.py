"""Folders on every kind of file system, for the same tests."""

from __future__ import annotations

import importlib
import itertools
import logging
from collections.abc import Iterator

import pytest

from tf_ckpt_migrate.storage.access import remove_folder

_COUNT = itertools.count()
FAR = [
    "memory",
    pytest.param("ram", marks=pytest.mark.tf),
    pytest.param("s3", marks=pytest.mark.far),
]


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """The URL of a bucket on a server that speaks as S3 does."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    configured = importlib.import_module("fsspec.config").conf
    configured["s3"] = {
        "endpoint_url": f"http://{host}:{port}",
        "key": "anybody",
        "secret": "anything",
    }
    importlib.import_module("fsspec").filesystem("s3").mkdir("a-bucket")
    yield "s3://a-bucket"
    del configured["s3"]
    server.stop()


@pytest.fixture(params=FAR)
def far(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder of a far system; it need not exist before there is a file in it."""
    yield from _folder(request)


@pytest.fixture(params=FAR[:2])
def quick_far(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder of a far system that is no server, for tests of many steps."""
    yield from _folder(request)


@pytest.fixture(params=["local", *FAR])
def folder(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder of a system of any kind."""
    yield from _folder(request)


def _folder(request: pytest.FixtureRequest) -> Iterator[str]:
    kind: str = request.param
    if kind == "local":
        yield str(request.getfixturevalue("tmp_path"))
        return
    root = request.getfixturevalue("s3_bucket") if kind == "s3" else f"{kind}://tests"
    if kind == "ram":
        request.getfixturevalue("tf")
    folder = f"{root}/folder-{next(_COUNT)}"
    yield folder
    remove_folder(folder)
