# SPDX-License-Identifier: Apache-2.0
"""Benign load in the lab: everything that changes in a healthy, busy gateway, all at once.

    with churn(shell) as load:
        ...look...
        load.rounds()   # how often each kind of load went round

All programs are of the lab's image, so policy knows them. Nothing of it may be a finding.
"""

import contextlib

PORT = 7007  # gateway/policy-lab lets the service manager listen to it
UNITS = "/run/systemd/system"
FOLDER = "/run/churn"
SOCKET = f"[Socket]\\nListenStream=127.0.0.1:{PORT}\\nAccept=yes\\nMaxConnections=8\\n"
SERVICE = "[Service]\\nExecStart=/usr/bin/cat\\nStandardInput=socket\\nStandardOutput=socket\\n"

# Each is one round, repeated until the end. The pauses leave the emulated gateway time for the
# others: without them services miss their time limits.
LOADS = {
    "forks": "for i in $(seq 8); do (ls /proc > /dev/null; true) & done; wait; sleep 0.2",
    "network": f"exec 9<>/dev/tcp/127.0.0.1/{PORT}; for i in $(seq 20); do head -c 65536 /dev/zero "
               ">&9 & head -c 65536 <&9 > /dev/null; wait; echo x > /dev/udp/127.0.0.1/9; "
               "sleep 0.1; done; exec 9>&-",
    "memory": "head -c 24M /dev/zero | tail -c 24M > /dev/null; "
              "head -c 20M /dev/zero > /tmp/churn; rm /tmp/churn; echo 3 > /proc/sys/vm/drop_caches; sleep 0.5",
    "services": "systemctl restart tee-supplicant; sleep 1; "
                "systemctl restart kapu-firewall; sleep 1",
    "modules": "rmmod harmless; sleep 0.1; insmod /lab/harmless.ko; sleep 0.3",
    "jump-labels": "echo 1 > /sys/kernel/tracing/events/sched/sched_switch/enable; sleep 0.1; "
                   "echo 0 > /sys/kernel/tracing/events/sched/sched_switch/enable; sleep 0.3",
}


class Load:
    def __init__(self, shell, names):
        self.shell, self.names = shell, names

    def rounds(self) -> dict[str, int]:
        """How often each load went round until now."""
        said = self.shell.run(f"cd {FOLDER}; grep -H . *.rounds; cd /", check=False)
        lines = [line.split(".rounds:") for line in said.splitlines() if ".rounds:" in line]
        return {name: int(count) for name, count in lines}

    def went_round(self) -> bool:
        """Whether every load went round at least once."""
        return set(self.rounds()) == set(self.names)


@contextlib.contextmanager
def churn(shell, loads=tuple(LOADS)):
    """All the loads at once, from here to the end of the block; ended when this returns."""
    shell.run(f"mkdir -p {UNITS} {FOLDER} && printf '{SOCKET}' > {UNITS}/churn.socket && "
              f"printf '{SERVICE}' > {UNITS}/churn@.service && systemctl daemon-reload && "
              "systemctl start churn.socket")
    for name in loads:
        script = (f"n=0; while test -e {FOLDER}; do {LOADS[name]}; n=$((n+1)); "
                  f"echo $n > {FOLDER}/{name}.rounds; done")
        shell.run(f"printf '%s' '{script}' > {FOLDER}/{name} && "
                  f"(bash {FOLDER}/{name} > /dev/null 2>&1 < /dev/null &)")
    try:
        yield Load(shell, loads)
    finally:
        # the brackets: this command's own line may not be what it looks for
        shell.run(f"mv {FOLDER} {FOLDER}.old; while pgrep -f '[/]{FOLDER[1:]}/' > /dev/null; do sleep 0.2; "
                  f"done; rm -r {FOLDER}.old; systemctl stop churn.socket 'churn@*'; "
                  f"rm {UNITS}/churn.socket {UNITS}/churn@.service; systemctl daemon-reload; "
                  "systemctl start tee-supplicant", timeout=300)
