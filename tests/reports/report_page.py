"""A page taken apart for tests: its tags with their attributes, in order, and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link"}


@dataclass
class Tag:
    name: str
    attributes: dict[str, str | None]
    inside: tuple[int, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Parsed strictly: a tag that closes another than the open one is an error."""

    tags: list[Tag] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self._open: list[int] = []

    def handle_decl(self, decl):
        self.declared.append(decl)

    def handle_comment(self, data):
        raise AssertionError(f"a comment on the page: {data[:80]!r}")

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.tags.append(Tag(tag, dict(attrs), tuple(self._open)))
        if tag not in VOID:
            self._open.append(len(self.tags) - 1)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        opened = self.tags[self._open.pop()].name
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data):
        for index in self._open:
            self.tags[index].text += data

    def close(self):
        super().close()
        assert not self._open, [self.tags[index].name for index in self._open]

    def all(self, *names: str) -> list[Tag]:
        return [tag for tag in self.tags if tag.name in names]

    def one(self, name: str, /, **attributes: str) -> Tag:
        found = [
            tag
            for tag in self.all(name)
            if all(
                tag.attributes.get(key.rstrip("_")) == value for key, value in attributes.items()
            )
        ]
        assert len(found) == 1, f"{len(found)} of <{name} {attributes}>"
        return found[0]

    def by_id(self, identifier: str) -> Tag:
        (found,) = [tag for tag in self.tags if tag.attributes.get("id") == identifier]
        return found


def taken_apart(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page
