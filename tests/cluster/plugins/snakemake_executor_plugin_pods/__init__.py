"""An executor that runs jobs as the one for Kubernetes does (0.5.1), in processes of this machine in place of pods.

A job starts in an empty folder and cannot see the folder in which Snakemake was started. It gets the rules (as an
archive) and its inputs from the storage, and leaves its outputs there. PYTHONPATH stands in for the image of a pod.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import cast

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

# As Kubernetes has them, but that the storage plugin is in the image and that a job is asked after soon.
common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)
SUBMITTED = "pods.txt"
"""Where it is written down what was submitted: rules, megabytes, minutes and GPUs of a job, a line each."""


class Executor(RemoteExecutor):  # type: ignore[misc]  # the interface has no types
    """Starts a process for every job."""

    def __post_init__(self) -> None:
        self.image = os.environ["PODS_PYTHONPATH"]

    def run_job(self, job: JobExecutorInterface) -> None:
        """Start the process of a job."""
        rules = ",".join(one.rule.name for one in (job.jobs if job.is_group() else [job]))
        wanted = [rules, *(str(job.resources.get(name)) for name in ("mem_mb", "runtime", "gpu"))]
        with Path(SUBMITTED).open("a", encoding="utf-8") as lines:
            lines.write(" ".join(wanted) + "\n")
        folder = tempfile.mkdtemp(prefix="pod-")
        inside = f"mount -t tmpfs none {shlex.quote(str(Path.cwd()))} && cd {folder} && {self.format_job_exec(job)}"
        output = Path(f"{folder}.log").open("wb")  # noqa: SIM115 - the process keeps it open
        process = subprocess.Popen(
            ["unshare", "--mount", "bash", "-euc", inside],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": self.image, "HOME": folder, **self.envvars()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        output.close()
        aux = {"process": process, "folder": folder}
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=str(process.pid), aux=aux))

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None] | Generator[SubmittedJobInfo, None, None]:
        """Report the jobs that have ended; yield the others."""
        for one in active_jobs:
            code = cast("subprocess.Popen[bytes]", one.aux["process"]).poll()
            if code is None:
                yield one
                continue
            shutil.rmtree(one.aux["folder"])
            if code == 0:
                self.report_job_success(one)
            else:
                text = Path(f"{one.aux['folder']}.log").read_text(encoding="utf-8", errors="replace")
                self.logger.error(text)
                self.report_job_error(one)
            Path(f"{one.aux['folder']}.log").unlink()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """End the processes of jobs."""
        for one in active_jobs:
            cast("subprocess.Popen[bytes]", one.aux["process"]).terminate()
