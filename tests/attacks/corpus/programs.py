# SPDX-License-Identifier: Apache-2.0
"""Attacks by programs and settings, done in the lab's root shell (tests/attacks/programs)."""

from .technique import LAB, Technique, in_shell

FOREIGN = "credentials.program code.file"
TMPFS = "/run/attack"
READY = "/run/attack-ready"


def program(name: str, family: str, expected: str, command: str, description: str,
            before: str = "", after: str = "") -> Technique:
    """A program that says its number when its attack is in place, and stays until it is ended."""
    def mount(bench):
        if before:
            bench.shell.run(before)
        bench.remains["pid"] = bench.shell.run(command).splitlines()[-1]

    def undo(bench):
        bench.end_process()
        if after:
            bench.shell.run(after)

    return Technique(name, family, description, LAB, frozenset(expected.split()), mount, undo)


def preloaded(name: str, family: str, expected: str, what: str, description: str) -> Technique:
    """A program of the image that runs a shared object from elsewhere."""
    def mount(bench):
        bench.start_process(f"LD_PRELOAD=/lab/preload.so KAPU_ATTACK={what} READY={READY} "
                            "sleep 10000", "sleep")
        bench.shell.run(f"until test -e {READY}; do sleep 0.1; done", timeout=30)

    def undo(bench):
        bench.end_process()
        bench.shell.run(f"rm -f {READY}")

    return Technique(name, family, description, LAB, frozenset(expected.split()), mount, undo)


def setuid_shell(bench):
    bench.shell.run(f"mkdir -p {TMPFS} && mount -t tmpfs -o exec,suid tmpfs {TMPFS} && "
                    f"cp /usr/bin/bash {TMPFS}/shell && chmod 4755 {TMPFS}/shell")
    bench.start_process(f"setpriv --reuid 1000 --regid 1000 --clear-groups {TMPFS}/shell -p -c "
                        "'kill -STOP $BASHPID; exit'", "shell")


def end_setuid_shell(bench):
    bench.end_process()
    bench.shell.run(f"umount -l {TMPFS}")


def listen_by_the_service_manager(bench):
    bench.shell.run("mkdir -p /run/systemd/system && printf '[Socket]\\nListenStream=0.0.0.0:4444\\n'"
                    " > /run/systemd/system/attack.socket && printf '[Service]\\n"
                    "ExecStart=/usr/bin/cat\\n' > /run/systemd/system/attack.service && "
                    "systemctl daemon-reload && systemctl start attack.socket")


def stop_listening(bench):
    bench.shell.run("systemctl stop attack.socket; rm /run/systemd/system/attack.*; "
                    "systemctl daemon-reload")


def talk_to_somebody(bench):
    bench.start_process("bash -c 'exec 9<>/dev/udp/10.0.2.77/4444; exec sleep 10000'", "sleep")


ROWS = (
    program("program-from-elsewhere", "code of programs", FOREIGN, "/lab/stay",
            "A program runs that is not in the root image."),
    program("program-under-an-allowed-name", "code of programs", FOREIGN,
            "bash -c 'exec -a /usr/bin/tee-supplicant /lab/stay'",
            "A program that is not in the root image calls itself like a service."),
    program("program-at-an-allowed-path", "code of programs", "code.page", "/lab/usr/bin/sleep",
            "A program of another file system has the path that a program of the image has there.",
            before="mkdir -p /lab/usr/bin && cp /lab/stay /lab/usr/bin/sleep",
            after="rm -r /lab/usr"),
    program("program-without-a-file", "code of programs", "credentials.program code.page",
            "/lab/memory memfd",
            "A program runs from memory (memfd) and looks like a kernel thread."),
    program("writable-and-executable-mapping", "code of programs", "code.writable code.anonymous",
            "/lab/memory wx", "A program maps memory that is writable and executable, and runs it."),
    program("anonymous-executable-memory", "code of programs", "code.anonymous code.page",
            "/lab/memory anonymous", "A program writes code to memory and then makes it executable."),
    preloaded("preloaded-shared-object", "code of programs", "code.file code.page", "nothing",
              "A program of the image runs a shared object from elsewhere."),
    Technique("setuid-shell", "credentials", "An ordinary user starts a set-user-ID copy of the "
              "shell and is root.", LAB, frozenset(FOREIGN.split()), setuid_shell,
              end_setuid_shell),
    program("io-uring-file-access", "processes", FOREIGN + " io_uring.context", "/lab/uring",
            "A worker of io_uring reads a file: no system call of the program shows it.",
            before="sysctl -q -w kernel.io_uring_disabled=0",
            after="sysctl -q -w kernel.io_uring_disabled=2"),
    preloaded("unknown-listening-port", "network", "sockets.listen code.file", "listen",
              "A program of the image listens to a TCP port, made to by a preloaded object."),
    Technique("port-opened-by-the-service-manager", "network",
              "A unit written at run time makes the service manager listen to a port.", LAB,
              frozenset({"sockets.listen"}), listen_by_the_service_manager, stop_listening),
    preloaded("raw-socket-with-a-filter", "network", "sockets.raw code.file", "raw",
              "A packet socket with a filter and without a port sees all packets."),
    Technique("unknown-peer", "network", "A program talks to somebody whom policy does not know.",
              LAB, frozenset({"sockets.peer"}), talk_to_somebody,
              lambda bench: bench.end_process()),
    program("bpf-program-with-a-link", "hooks", FOREIGN, "/lab/bpf link",
            "An eBPF program sees all packets, held by a link that a process has open."),
    in_shell("module-loader-is-replaced", "settings", "state.modprobe",
             "sysctl -q -w kernel.modprobe=/tmp/evil", "sysctl -q -w kernel.modprobe=/sbin/modprobe",
             "The kernel would start another program to load a module."),
    in_shell("core-dump-program-is-replaced", "settings", "state.core_pattern",
             "sysctl -q -w kernel.core_pattern='|/tmp/evil'",
             "sysctl -q -w kernel.core_pattern='|/bin/false'",
             "The kernel would start another program when a program crashes."),
)
