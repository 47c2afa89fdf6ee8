# SPDX-License-Identifier: Apache-2.0
"""Long lists, of which a run of tools/test does a third: another one each day, and all with KAPU_THIRD=all
(make test-all). A test that is run by itself does all of its list.
"""

import os

PARTS = 3


def chosen() -> int | None:
    """0 to 2, or nothing: all."""
    text = os.environ.get("KAPU_THIRD", "all")
    return None if text == "all" else int(text) - 1


def third(items: list, key=lambda item: None) -> list:
    """The items of this run, in their order. Those of one key (a family) are dealt out by themselves, so
    that each family has some in each third: one with fewer than three has them more often."""
    part = chosen()
    if part is None:
        return list(items)
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [item for item in items
            if (group := groups[key(item)]).index(item) % min(PARTS, len(group))
            == part % min(PARTS, len(group))]


def third_of(number: int) -> range:
    """The same of a number of attempts."""
    part = chosen()
    return range(number) if part is None else range(part, number, PARTS)
