"""What the site has beside docs/: the notebooks and the log of changes, under the same links.

A hook of mkdocs. Pages link `../notebooks/x.ipynb`, which is right where docs/ is a folder of the repository;
in the site that file lies beside the page.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the files of the site with the notebooks and CHANGELOG.md among them."""
    for path in [*sorted(ROOT.glob("notebooks/*.ipynb")), ROOT / "CHANGELOG.md"]:
        # Generated: the file system watched by `mkdocs serve` is docs/ alone.
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the text of a page, its links out of docs/ turned to where the site has these files."""
    for target in ("notebooks/", "CHANGELOG.md"):
        markdown = markdown.replace(f"](../{target}", f"]({target}")
    return markdown
