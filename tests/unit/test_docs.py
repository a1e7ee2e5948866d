import re
from pathlib import Path

import pytest

from carryon.shared import settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path for place in ("*.md", "docs/*.md", "examples/*/*.md", "layer/**/*.md") for path in ROOT.glob(place)]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Every relative link names a file that is there, and a heading in it."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and (not target.exists() or anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def settings_in(page):
    """The settings that the table of a page names."""
    return re.findall(r"^\| `(CARRYON_\w+)` \|", (ROOT / page).read_text(), re.MULTILINE)


def test_the_table_has_every_setting():
    """The table names those that there are, and no other."""
    assert sorted(settings._NAMES) == sorted(settings_in("docs/settings.md"))


def test_the_readme_has_settings_that_there_are():
    """Its table of those that most people need is a part of the whole one."""
    assert set(settings_in("README.md")) < set(settings._NAMES)


@pytest.mark.parametrize(
    "page",
    [ROOT / "ARCHITECTURE.md", *ROOT.glob("layer/**/README.md")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_map_names_files_that_there_are(page):
    """A module that was renamed or moved is so on the map too."""
    folders = ("layer", "cli", "tools", "tests")
    files = [f"/{path.relative_to(ROOT)}" for folder in folders for path in (ROOT / folder).rglob("*.py")]
    named = re.findall(r"`([\w/]+\.py)", page.read_text())

    assert named
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []
