"""The docs' site: a link, an anchor or a file that does not exist fails the build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAGES = {
    "docs/_site/contents.md": "# Contents\n\n```{toctree}\n../index\n../other\n```\n",
    "docs/index.md": "# Index\n\n[page](other.md), [part](other.md#a-part), [code](../src/a.py), [folder](../src).\n",
    "docs/other.md": "# Other\n\n## A part\n\nText.\n",
    "src/a.py": "A = 1\n",
}


def build(folder: Path, **pages: str) -> subprocess.CompletedProcess[str]:
    """Build a small repository with the site's configuration. `pages`: texts that are added to a page, by its name."""
    shutil.copytree(ROOT / "docs" / "_site", folder / "docs" / "_site")
    shutil.copytree(ROOT / "docs" / "images", folder / "docs" / "images")
    for name, text in PAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + pages.get(path.stem, ""))
    options = ["--quiet", "--fresh-env", "--fail-on-warning", "--keep-going", "--conf-dir", "docs/_site"]
    command = [sys.executable, "-m", "sphinx", *options, ".", "build/docs"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.engines
def test_links_to_pages_parts_files_and_folders_are_followed(tmp_path: Path) -> None:
    built = build(tmp_path)

    assert (built.returncode, built.stderr) == (0, "")
    page = (tmp_path / "build" / "docs" / "docs" / "index.html").read_text()
    assert 'href="other.html#a-part"' in page
    assert 'href="../source/src/a.py.html"' in page
    assert (tmp_path / "build" / "docs" / "source" / "src" / "a.py.html").exists()
    assert "../source/src/a.py.html" not in (tmp_path / "build" / "docs" / "docs" / "other.html").read_text()


@pytest.mark.engines
def test_what_is_broken_fails_the_build(tmp_path: Path) -> None:
    links = "[a](missing.md) [b](other.md#no-such-part) [c](../src/b.py) ![d](images/missing.svg)"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "forgotten.md").write_text("# A page that is not in the navigation\n")

    built = build(tmp_path, index=links)

    assert built.returncode == 1
    problems = [line for line in built.stderr.splitlines() if "WARNING" in line]
    found = ["'missing.md'", "no-such-part", "'../src/b.py'", "images/missing.svg", "docs/forgotten.md"]
    assert all(any(text in problem for problem in problems) for text in found)
    assert len(problems) == len(found)
