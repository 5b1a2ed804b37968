"""What to do after a run that failed on a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from fathom.workflow.killed_jobs import advice

ERROR = """Error in rule activations:
    message: SLURM-job '7' failed, SLURM status is: 'FAILED'.
    jobid: {job}
    output: results/1-of-2.zarr.zip
    log: {folder}/none.log, {folder}/7.log (check log file(s) for error details)
    shell:
        fathom
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("slurmstepd: error: StepId=7.0 exceeded memory limit (2 > 1), being killed", "activations:mem_mb=MEGABYTES"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0", "activations:mem_mb=MEGABYTES"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0", "activations:mem_mb=MEGABYTES"),
        ("error: *** JOB 7 ON cpu1 CANCELLED AT 2026-11-22T10:03:09 DUE TO TIME LIMIT ***", "runtime=MINUTES"),
    ],
)
def test_what_the_scheduler_said_becomes_one_line(tmp_path: Path, said: str, expected: str) -> None:
    (tmp_path / "7.log").write_text(f"first\n{said}\n{said}\n", encoding="utf-8")
    log = ERROR.format(job=1, folder=tmp_path)
    (line,) = advice(log + log)
    assert expected in line
    assert line.startswith("fathom: activations was killed for its ")
    assert str(tmp_path / "7.log") in line
    assert list(advice(log + "Trying to restart job 1.\n")) == []
    (again,) = advice(log + "Trying to restart job 1.\n" + ERROR.format(job=1, folder=tmp_path))
    assert again == line


def test_other_errors_need_no_advice(tmp_path: Path) -> None:
    (tmp_path / "7.log").write_text("fathom: error: no such model\n", encoding="utf-8")
    assert list(advice(ERROR.format(job=1, folder=tmp_path))) == []
    assert list(advice("nothing\n")) == []
