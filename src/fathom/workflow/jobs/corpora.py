"""What the rules of the corpora stage ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from fathom.corpora.job import CorpusJob
from fathom.corpora.settings import CorpusSettings
from fathom.workflow.code_digest import code_digest
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.wildcards import Wildcards


class CorpusJobs:
    """Jobs that build the texts of a corpus."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def settings(self, wildcards: Wildcards) -> str:
        """Settings of `fathom corpora`."""
        return as_json(self._job(wildcards))

    def code(self, wildcards: Wildcards) -> str:
        """Digest of the code behind a corpus, and of fathom's own table where it uses it."""
        return corpus_code(self._job(wildcards))

    def files(self, wildcards: Wildcards) -> list[str]:
        """Files of the user's that a corpus is made of; none for what is fetched or made."""
        return list(self._config.corpora[wildcards.corpus].files)

    def base(self, wildcards: Wildcards) -> list[str]:
        """The corpus whose texts a corpus changes; none for others."""
        base = self._config.corpora[wildcards.corpus].base
        return [] if base is None else [f"results/corpora/{base}.parquet"]

    def _job(self, wildcards: Wildcards) -> CorpusJob:
        name = wildcards.corpus
        return corpus_job(name, self._config.corpora[name], self._folds(name), self._compared.get(name, {}))

    def compared(self, wildcards: Wildcards) -> list[str]:
        """Corpora whose classes a corpus is compared with, since probes train on one and test on the other."""
        return [f"results/corpora/{other}.parquet" for other in self._compared.get(wildcards.corpus, {})]

    def compared_options(self, wildcards: Wildcards) -> list[str]:
        """Options of `fathom corpora` that name them, as words that the rule quotes one by one."""
        return [word for other in self.compared(wildcards) for word in ("--compared", other)]

    @cached_property
    def _compared(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Of the later one of two corpora that experiments train and test on, the other one and the labels.

        A corpus that is made of another one comes after it, all others as the config has them: so no two wait for each
        other.
        """
        corpora, place = self._config.corpora, {name: at for at, name in enumerate(self._config.corpora)}
        found: dict[str, dict[str, tuple[str, ...]]] = {}

        def rank(name: str) -> tuple[int, int]:
            base = corpora[name].base
            return (0 if base not in corpora else rank(str(base))[0] + 1, place[name])

        for experiment in self._config.experiments.values():
            if experiment.test is not None:
                first, second = sorted((experiment.corpus, experiment.test), key=rank)
                labels = experiment.labels or corpora[experiment.corpus].label_names or ()
                known = found.setdefault(second, {})
                known[first] = tuple(dict.fromkeys((*known.get(first, ()), *labels)))
        return found

    def _folds(self, corpus: str) -> dict[str, int]:
        """Of each label of a corpus that is probed, how many folds an experiment divides its texts into at most."""
        folds: dict[str, int] = {}
        for experiment in self._config.experiments.values():
            if experiment.corpus == corpus:
                for label in experiment.labels or self._config.corpora[corpus].label_names or ():
                    folds[label] = max(experiment.folds, folds.get(label, 0))
        return folds


def corpus_job(
    name: str,
    settings: CorpusSettings,
    folds: Mapping[str, int] = MappingProxyType({}),
    compared: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> CorpusJob:
    """What `fathom corpora` is told; `folds` of labels as of `Corpus.job_options`, `compared` as of `CorpusJob`."""
    return CorpusJob(
        name=name,
        module=settings.module,
        options=settings.job_options(folds),
        base=settings.base,
        compared=dict(compared),
        files=settings.files,
        data=settings.data,
    )


def corpus_code(job: CorpusJob) -> str:
    """Digest of the code behind one job of the corpora stage."""
    return code_digest("fathom.corpora.command", job.module, data=job.data)
