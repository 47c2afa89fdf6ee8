# SPDX-License-Identifier: Apache-2.0
"""Long lists, and tests that take long. A run of tools/test does one of PARTS shares of them, another one each day, and all
with KAPU_SHARE=all (make test-all). A test that is run by itself does all of its list.
"""

import os

PARTS = 6


def chosen() -> int | None:
    """0 to PARTS - 1, or nothing: all."""
    text = os.environ.get("KAPU_SHARE", "all")
    return None if text == "all" else int(text) - 1


def share(items: list, key=lambda item: None) -> list:
    """The items of this run, in their order. Those of one key (a family) are dealt out by themselves, so that each family
    has some in each share: one with fewer items than there are shares has them more often."""
    part = chosen()
    if part is None:
        return list(items)
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [item for item in items
            if (group := groups[key(item)]).index(item) % min(PARTS, len(group))
            == part % min(PARTS, len(group))]


def takes(mark) -> bool:
    """Whether this run does a test with a mark, @pytest.mark.share(2), or none."""
    return mark is None or chosen() in (None, mark.args[0] - 1)


def of_functions(items) -> list[list]:
    """pytest's items by their functions: the cases of each."""
    functions: dict = {}
    for item in items:
        functions.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return list(functions.values())


def share_of(number: int) -> range:
    """The same of a number of attempts."""
    part = chosen()
    return range(number) if part is None else range(part, number, PARTS)
