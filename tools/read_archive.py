"""Read an archive of trially with its key alone: `read_archive.py ARCHIVE KEY FOLDER`.

Needs Python 3.11, and `pip install pyrage zstandard`. `flask backups key ARCHIVE` prints the key.
Each table becomes a file in the text format of PostgreSQL's COPY. `manifest.json` names its columns,
the number of its rows and their hash, which this program compares.
"""

import hashlib
import json
import sys
import tarfile
import tempfile
from pathlib import Path

import pyrage
import zstandard


def read_archive(archive: Path, key: str, folder: Path) -> dict:
    """Write the tables and the manifest into a folder. Return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[int]] = {}
    with archive.open("rb") as file, tempfile.TemporaryFile() as plain:
        header = json.loads(file.readline())
        if header["format"] != "trially-archive/1":
            sys.exit(f"This program cannot read {header['format']}.")
        pyrage.decrypt_io(file, plain, [pyrage.x25519.Identity.from_str(key)])
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r|") as members:
            for member in members:
                content = members.extractfile(member).read()
                if not member.name.startswith("tables/"):
                    (folder / Path(member.name).name).write_bytes(content)
                    continue
                table = member.name.split("/")[1]
                rows = zstandard.ZstdDecompressor().decompress(content)
                mode = "ab" if table in found else "wb"
                with (folder / f"{Path(table).name}.copy").open(mode) as output:
                    output.write(rows)
                count_and_sum = found.setdefault(table, [0, 0])
                for row in rows[:-1].split(b"\n"):
                    digest = hashlib.blake2b(row + b"\n", digest_size=16).digest()
                    count_and_sum[0] += 1
                    count_and_sum[1] = (count_and_sum[1] + int.from_bytes(digest, "big")) % 2**128
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for table in manifest["tables"]:
        count, total = found.get(table["name"], [0, 0])
        if (count, f"{total:032x}") != (table["rows"], table["hash"]):
            sys.exit(f"The rows of {table['name']} are not those of the manifest.")
    return manifest


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    read = read_archive(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    rows = sum(table["rows"] for table in read["tables"])
    sys.stdout.write(f"{read['slug']} at {read['snapshot_at']}: {rows} rows\n")
