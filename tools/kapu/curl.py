# SPDX-License-Identifier: Apache-2.0
"""libcurl for the gateway: a static library that speaks HTTP/1 and nothing else.

What it fetches is signed, so it needs no TLS. What is not compiled in cannot be attacked: each switch
that configure has is off, unless the writer of updates needs it.
"""

import os
import shutil
from pathlib import Path

from .errors import KapuError
from .steps import Step

WITHOUT = ("ssl", "zlib", "brotli", "zstd", "libpsl", "libgsasl", "librtmp", "libidn2", "nghttp2", "ngtcp2",
           "nghttp3", "libuv", "ca-bundle", "ca-path")
DISABLED = (
    # protocols besides HTTP
    "ftp", "file", "ipfs", "ldap", "ldaps", "rtsp", "dict", "telnet", "tftp", "pop3", "imap", "smb", "smtp", "gopher",
    "mqtt", "websockets",
    # credentials, and what remembers or redirects
    "basic-auth", "bearer-auth", "digest-auth", "kerberos-auth", "negotiate-auth", "http-auth", "aws", "ntlm",
    "tls-srp", "netrc", "cookies", "alt-svc", "hsts", "proxy", "doh",
    # a gateway has no resolver but files and libc's own, so no thread waits for names
    "ares", "threaded-resolver", "dnsshuffle",
    # parts that nobody here calls
    "unix-sockets", "socketpair", "bindlocal", "mime", "form-api", "dateparse", "progress-meter", "sha512-256",
    "get-easy-options", "headers-api", "verbose", "docs", "manual", "libcurl-option", "shared",
    # one build makes nothing that a second one could use
    "dependency-tracking")
# Those of gateway_args (gateway/tee/meson.build); each function by itself, so that a linker can leave it out.
HARDENING = ("-fstack-protector-strong", "-mbranch-protection=standard")
COMMON = ("-O2", "-fPIE", "-ffunction-sections", "-fdata-sections")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DEFINED = "-D_FORTIFY_SOURCE=2"
GENERATED = ("aclocal.m4", "configure", "lib/curl_config.h.in", "Makefile.in")


def keep_generated(tree: Path) -> None:
    """Debian's patches touch what these files are made of; they are as upstream released them, and no older."""
    for name in GENERATED:
        for file in sorted(tree.rglob(name)) if "/" not in name else [tree / name]:
            os.utime(file)


def make(step: Step, tree: Path, out: Path, flags: tuple[str, ...], *more: str, **options) -> None:
    """out/libcurl.a, out/include, and out/curl_config.h, which says what is in it."""
    keep_generated(tree)
    step.run(tree / "configure", "--enable-option-checking=fatal", *(f"--without-{name}" for name in WITHOUT),
             *(f"--disable-{name}" for name in DISABLED), *more,
             f"CFLAGS={' '.join((*COMMON, f'-ffile-prefix-map={tree}=curl', *flags))}", cwd=tree, **options)
    if 'supported_protocols="HTTP"' not in (tree / "libcurl.pc").read_text().splitlines():
        raise KapuError(f"libcurl was configured for more than HTTP: see 'Protocols:' in {step.log_path}")
    step.run("make", "-j2", "-C", tree / "lib", "V=1", "libcurl.la")
    shutil.copy(tree / "lib/.libs/libcurl.a", out)
    shutil.copy(tree / "lib/curl_config.h", out)
    shutil.copy(tree / "COPYING", out)
    (out / "include/curl").mkdir(parents=True)
    for header in sorted((tree / "include/curl").glob("*.h")):
        shutil.copy(header, out / "include/curl")


def make_gateways(step: Step, tree: Path, out: Path) -> None:
    make(step, tree, out, HARDENING, "--host=aarch64-linux-gnu", f"CPPFLAGS={DEFINED}")


def make_checked(step: Step, tree: Path, out: Path) -> None:
    """The same for this host, with sanitizers: for tests."""
    # programs that configure only looks at may leak
    make(step, tree, out, SANITIZERS, f"LDFLAGS={SANITIZERS[0]}", env={"ASAN_OPTIONS": "detect_leaks=0"})
