# SPDX-License-Identifier: Apache-2.0
"""The gateway's libcurl: HTTP and nothing else, hardened as our programs are, and with nothing of the machine in it."""

import re
import subprocess

import pytest

import ranges
from kapu import build, curl
from kapu.commands import run_logged
from kapu.errors import KapuError
from kapu.paths import CACHE, ROOT
from kapu.steps import Quiet
from kapu.vulnerabilities import defined_in, defines

TELL = r"""
#include <curl/curl.h>
#include <stdio.h>
int main(void)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    for (const char *const *p = v->protocols; *p != NULL; p++)
        printf("%s ", *p);
    printf("\n");
    for (const char *const *p = v->feature_names; *p != NULL; p++)
        printf("%s ", *p);
    printf("\n%s\n", v->version);
    return 0;
}
"""


@pytest.fixture(scope="module")
def library():
    step = build.curl_step()
    step.build(Quiet())
    return step.out


@pytest.fixture(scope="module")
def checked():
    step = build.checked_curl_step()
    step.build(Quiet())
    return step.out


def test_the_library_speaks_http_and_nothing_else(checked, tmp_path):
    (tmp_path / "tell.c").write_text(TELL)
    subprocess.run(["gcc", *curl.SANITIZERS, "-isystem", checked / "include", tmp_path / "tell.c",
                    checked / "libcurl.a", "-o", tmp_path / "tell"], check=True)
    protocols, features, version = subprocess.run([tmp_path / "tell"], check=True, capture_output=True,
                                                  text=True).stdout.splitlines()
    assert protocols.split() == ["http"]
    assert set(features.split()) == {"IPv6", "Largefile", "threadsafe"}
    assert build.fetch.locked("curl")["version"].startswith(f"{version}-")


def test_what_is_tested_is_what_the_gateway_has(library, checked):
    ours, tested = (defines(folder / "curl_config.h") for folder in (library, checked))
    same = {name for name in ours | tested if name.startswith(("CURL_DISABLE_", "USE_"))}
    assert len(same) > 30 and {n: ours.get(n) for n in same} == {n: tested.get(n) for n in same}
    exported = [{name for name in defined_in(folder / "libcurl.a") if re.fullmatch(r"curl_\w+", name)}
                for folder in (library, checked)]
    assert exported[0] == exported[1] and "curl_multi_perform" in exported[0]


def test_it_is_hardened_as_the_gateways_programs_are():
    text = (ROOT / "gateway/tee/meson.build").read_text()
    flags = set(re.search(r"gateway_args = \[(.*?)\]", text, re.DOTALL)[1].replace("'", "").replace(",", " ").split())
    assert flags - {"-D_GNU_SOURCE", "-Wextra", "-Werror"} == {*curl.HARDENING, curl.DEFINED}
    assert "optimization=2" in text and "-O2" in curl.COMMON and "-fPIE" in curl.COMMON


def test_nothing_of_the_machine_is_in_it(library):
    data = (library / "libcurl.a").read_bytes()
    assert str(CACHE).encode() not in data and str(ROOT).encode() not in data and b"/build/" not in data
    assert b"curl/lib/" not in data or not re.search(rb"/[a-z]+/[^\0]*curl/lib/", data)
    listed = subprocess.run(["ar", "tv", library / "libcurl.a"], check=True, capture_output=True, text=True,
                            env={"TZ": "UTC", "PATH": "/usr/bin"}).stdout.splitlines()
    assert len(listed) > 50 and all(re.match(r"rw-r--r-- 0/0 +\d+ Jan  1 00:00 1970 ", line) for line in listed)
    assert sorted(path.name for path in library.iterdir()) == ["COPYING", "curl_config.h", "include", "libcurl.a"]


def test_what_fetches_needs_no_other_library_on_the_gateway(library, tmp_path):
    sources = [ranges.UPDATE / name for name in (ranges.UPDATE / "fetch.list").read_text().split()]
    program = tmp_path / "program"
    subprocess.run(["aarch64-linux-gnu-gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", *curl.COMMON,
                    *curl.HARDENING, curl.DEFINED, "-pie", "-Wl,-z,relro,-z,now", "-Wl,--gc-sections",
                    *(f"-I{folder}" for folder in ranges.INCLUDES), "-isystem", library / "include", ranges.PROGRAM,
                    *sources, library / "libcurl.a", "-o", program], check=True)
    needed = subprocess.run(["aarch64-linux-gnu-readelf", "-d", program], check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", needed)) <= {"libc.so.6", "ld-linux-aarch64.so.1"}


class Pretence:
    """A step whose commands only say something."""

    def __init__(self, folder, says):
        self.log_path = folder / "log"
        self.says = says

    def run(self, *_words, **_more):
        run_logged(["echo", self.says], self.log_path, env={})


@pytest.mark.parametrize("protocols", ["http https", "http ftp", "", "ftp"])
def test_a_library_that_speaks_more_is_not_built(tmp_path, protocols):
    (tmp_path / "lib").mkdir()
    for name in ("aclocal.m4", "configure", "lib/curl_config.h.in"):
        (tmp_path / name).touch()
    with pytest.raises(KapuError, match="configured for more than HTTP"):
        curl.make_gateways(Pretence(tmp_path, f"Protocols: {protocols}"), tmp_path, tmp_path)
