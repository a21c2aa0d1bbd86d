"""Hooks for scripts/serve/schemathesis: what the document calls binary is now and then a picture."""
import io
import json
import os
import pathlib
import tarfile

import schemathesis
from hypothesis import strategies as st

FILES = [path.read_bytes() for path in sorted(pathlib.Path(os.environ["GX_PICTURES"]).rglob("*.*"))]


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for n, data in enumerate(files):
            member = tarfile.TarInfo(f"{n}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


picture = st.sampled_from(FILES)
cut = st.builds(lambda data, share: data[: int(share * len(data))], picture, st.floats(0, 1))
anything = st.one_of(picture, picture, cut, st.binary(max_size=2000))
schemathesis.openapi.format("binary", anything)
for kind in ["image/jpeg", "image/png", "application/octet-stream"]:
    schemathesis.openapi.media_type(kind, anything)
schemathesis.openapi.media_type(
    "application/x-tar", st.one_of(st.lists(anything, max_size=4).map(tar), st.binary(max_size=3000)))


@schemathesis.deserializer("application/x-ndjson")
def first_row(ctx, response):
    """Every row must be JSON; the schema is that of a row."""
    rows = [json.loads(line) for line in response.content.splitlines()]
    return rows[0]
