"""One test of ndctl's own suite, in the guest, without meson: its exit status is its result."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import quote, run_script
from harness.image.ndctl_contents import SUITE
from harness.observe.ndctl_test import parse_test
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation
from harness.scenario.ndctl_steps import NdctlTest

# What meson itself gives a test, in steps' deadlines: 600 s on a host that is not slow.
_ROUNDS = 10

# Modules that only stand in for devices come and go with tests; the drivers, which udev would
# load again, must be there for the next one. So must that of cxl_test's memory for the test
# itself, which loads cxl_test alone.
_RUN = """\
name={name}
suite={suite}
[ -r $suite/tests ] || lack "ndctl's own tests"
program=
while read -r known _ path; do
    [ "$known" != "$name" ] || program=$suite/$path
done <$suite/tests
[ -n "$program" ] || lack "the test $name of ndctl's"
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
scratch=/tmp/ndctl-test
rm -rf $scratch
mkdir $scratch
cd $scratch
modprobe -q cxl_mock_mem
env DM_DISABLE_UDEV=1 PATH=$suite/bin:$PATH TEST_PATH=$suite/test DATA_PATH=$suite/test \\
    NDCTL=$suite/ndctl/ndctl DAXCTL=$suite/daxctl/daxctl CXL=$suite/cxl/cxl \\
    timeout -k 10 {seconds} "$program" >$scratch.log 2>&1
status=$?
mark result
echo status=$status
mark output
tail -n 300 $scratch.log
cd /
{{
    for process in /proc/[0-9]*; do
        case $(readlink $process/exe) in $suite/*) kill -9 ${{process#/proc/}} ;; esac
    done
    for path in $scratch/*; do umount $path; done
    dmsetup remove_all
    rm -rf $scratch $scratch.log /tmp/tmp.*
    modprobe -r nfit_test
    modprobe -r cxl_test
    modprobe -r cxl_mock_mem
    while read -r module; do modprobe -q $module; done </etc/modules
}} >/dev/null 2>&1
exit 0
"""


def run_ndctl_test(step: NdctlTest, shell: Shell, context: StepContext) -> Observation:
    """The test from start to end, and what it leaves taken away: processes, mounts, devices."""
    # Ends the test, not the cell: what it said so far is then there to be read.
    seconds = int(context.step_deadline_seconds * (_ROUNDS - 1))
    script = _RUN.format(name=quote(step.test), suite=f"/{SUITE}", seconds=seconds)
    output = run_script(shell, script, context.deadline(_ROUNDS))
    status = read_integer(parse_attributes(output.section("result")).get("status"))
    values = parse_test(step.test, status, output.section("output"))
    return Observation(step.kind, values, (output.record,))
