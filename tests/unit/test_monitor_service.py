# SPDX-License-Identifier: Apache-2.0
"""The monitor service takes nothing for which the TEE needs heap: Linux can use that up, and an alarm must come
through all the same. Memory as a parameter of its own would need it (OP-TEE's library maps a copy of it).
"""

import re

from kapu.paths import ROOT

TYPES = re.compile(r"(MONITOR_PTA_\w+), TEE_PARAM_TYPES\((\w+), (\w+), (\w+), (\w+)\)")


def types_in(path: str) -> dict[str, tuple[str, ...]]:
    text = (ROOT / path).read_text().replace("\n", " ")
    return {name: tuple(types) for name, *types in TYPES.findall(re.sub(r" +", " ", text))}


def test_no_command_needs_the_heap():
    service = types_in("secure/pta/monitor.c")
    named = set(re.findall(r"#define (MONITOR_PTA_[A-Z]+) \d", (ROOT / "wire/monitor_pta.h").read_text()))
    assert set(service) == named and len(named) > 8
    assert {word for types in service.values() for word in types} == {"VI", "VO", "NONE"}


def test_the_application_calls_each_as_the_service_takes_it():
    assert types_in("secure/ta/monitor/core.c") == types_in("secure/pta/monitor.c")
