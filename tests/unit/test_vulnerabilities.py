# SPDX-License-Identifier: Apache-2.0
"""tools/vulnerabilities: what the page claims is checked, and a pin that moved asks for another look."""

import copy

import pytest

from kapu import build, fetch, vulnerabilities
from kapu.steps import Quiet
from kapu.vulnerabilities import STATES, Built, at_least, page, problems, upstream


@pytest.fixture(scope="module")
def built():
    release = build.release()
    release.build(Quiet())
    return Built(release)


@pytest.fixture
def data():
    return copy.deepcopy(vulnerabilities.load())


def source(data, name):
    return next(s for s in data["sources"] if s["name"] == name)


def entry(data, identifier):
    return next(e for s in data["sources"] for e in s["entries"] if identifier in e["ids"])


def test_the_data_is_true_and_the_page_is_made_of_it(data, built):
    assert problems(data, built) == []
    assert vulnerabilities.PAGE.read_text() == page(data), "run tools/vulnerabilities"


def test_each_state_is_in_use_or_open(data):
    used = {e["state"] for s in data["sources"] for e in s["entries"]}
    assert used | {"open", "ours"} == set(STATES)


def test_every_pinned_source_is_listed(data, built):
    data["sources"] = [s for s in data["sources"] if s["name"] != "OP-TEE"]
    assert any("optee-os is pinned as a source, but" in said for said in problems(data, built))
    listed = {name for s in vulnerabilities.load()["sources"] for name in s["checked"]}
    assert {e["name"] for e in fetch.read_lock()["sources"]} < listed and "linux-source-6.12" in listed


@pytest.mark.dealt
@pytest.mark.parametrize("name", ["arm-trusted-firmware", "curl", "mbedtls", "optee-os", "linux-source-6.12",
                                  "libssl3t64"])
def test_a_pin_that_moved_must_be_gone_through_again(data, built, monkeypatch, name):
    was = vulnerabilities.pinned
    monkeypatch.setattr(vulnerabilities, "pinned", lambda n: "99:99.9-1" if n == name else was(n))
    said = problems(data, built)
    assert any(line.startswith(f"{name}: 99:99.9-1 is pinned, but the entries were gone through for")
               for line in said)


@pytest.mark.parametrize("identifier, change, said", [
    ("TFV-10", {"fixed_in": "2.13"}, "is fixed in 2.13, but 2.12.1"),
    ("CVE-2026-45614", {"patches": ["CVE-2026-00000.patch"]}, "no patch CVE-2026-00000.patch"),
    ("CVE-2026-45614", {"patches": []}, "names no patch"),
    ("CVE-2026-45614", {"state": "ours"}, "there is no third_party/optee-os/CVE-2026-45614.patch"),
    ("CVE-2026-45614", {"state": "gone"}, "unknown state 'gone'"),
    ("TFV-15", {"proofs": []}, "proves nothing"),
    ("TFV-15", {"why": ""}, "does not say why"),
    ("TFV-15", {"proofs": [{"symbol": "fip_open", "absent_from": ["bl1"]}]}, "is not so: no `fip_open`"),
    ("TFV-15", {"proofs": [{"file": "README.md", "says": "no such words"}]}, "is not so: `no such words`"),
    ("CVE-2026-45702", {"proofs": [{"option": "CFG_CORE_FFA", "is": "y", "of": "optee-os"}]},
     "is not so: `CFG_CORE_FFA=y`"),
    ("TFV-15", {"proofs": [{"option": "CONFIG_ARM64", "is": "n", "of": "linux"}]},
     "is not so: `CONFIG_ARM64=n`"),
    ("CVE-2026-8932", {"proofs": [{"symbol": "curl_multi_perform", "absent_from": ["libcurl"]}]},
     "is not so: no `curl_multi_perform` in libcurl"),
    ("CVE-2026-8926", {"proofs": [{"option": "USE_IPV6", "is": "n", "of": "curl"}]}, "is not so: `USE_IPV6=n`"),
    ("CVE-2026-8926", {"proofs": [{"option": "CURL_DISABLE_HTTP", "is": "1", "of": "curl"}]},
     "is not so: `CURL_DISABLE_HTTP=1`"),
    ("CVE-2026-9080", {"proofs": [{"folder": "gateway", "lacks": "curl_multi_perform"}]},
     "is not so: no `curl_multi_perform` in `gateway`"),
    ("TFV-15", {"ids": ["TFV-14"]}, "is listed twice"),
])
@pytest.mark.dealt
def test_a_claim_that_is_not_so_is_named(data, built, identifier, change, said):
    entry(data, identifier).update(change)
    found = problems(data, built)
    assert len(found) == 1 and said in found[0], found


def test_what_is_open_needs_no_proof_but_a_reason_and_is_shown(data, built):
    entry(data, "TFV-15").update({"state": "open", "why": "no fix yet", "proofs": []})
    assert problems(data, built) == []
    assert "| **open** | no fix yet |" in page(data) and "| **open** | 1 |" in page(data)


def test_versions_are_compared_as_debian_does():
    assert upstream("1:2.12.1+dfsg-1") == "2.12.1" and upstream("3.6.6-0.1~deb13u1") == "3.6.6"
    assert at_least("2.12.1", "2.9") and at_least("2.9", "2.9") and not at_least("2.9", "2.12")
