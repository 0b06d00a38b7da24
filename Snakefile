# Which tables need which runs, for Snakemake: a laptop, several GPUs or SLURM by the same rules.
#
#   snakemake --cores 2 tables                          every table: profile cpu, five seeds
#   snakemake --cores 2 --config seeds=3 -- table4      one of them
#   snakemake --cores 2 --dry-run                       what there is to do
#   snakemake --cores 2 report                          every table, then the report
#
# Keys of --config are the fields of igan_lib.workflow.Sweep. profiles/default holds the options that make a killed
# sweep go on.
import os
import shlex
import subprocess
import sys

import igan_lib
from igan_lib.workflow import make_sweep, run_arguments, visible_device

sweep = make_sweep(config)
IGAN = [sys.executable, "-m", "igan_lib"]
RUNS = {name: run for study in sweep.chosen() for name, run in sweep.runs(study).items()}


def run_files(study):
    return [f"{sweep.results}/runs/{name}.json" for name in sweep.runs(study)]


def table_files(study):
    return [f"{sweep.tables}/{study.name}{suffix}" for suffix in (".csv", ".md", ".tex")]


# A target asks for a table's runs too: a table that is there, with a hole or with fewer seeds, counts as up to date
# for Snakemake as long as nobody asks for the runs that it misses. And for all its files, since a kill may part them.
def wanted(*studies):
    return [file for study in studies for file in run_files(study) + table_files(study)]


# Without these a table would stay as it is when its title, its rows or the paper's numbers are corrected.
CODE = Path(igan_lib.__file__).parent
TABLE_CODE = [CODE / f"{name}.py" for name in ("paper", "studies", "study_tables", "tables")]


REPORT_CODE = [CODE / name for name in ("paper_claims.py", "effects.py", "claims.py", "report.py", "report.html.jinja")]


rule all:
    input:
        wanted(*sweep.chosen()),
        sweep.report,


rule tables:
    input:
        wanted(*sweep.chosen()),


# `run` itself and not a notebook for each run: the lock, the going on from a checkpoint and the provenance are in
# run(), a kernel and figures for each of hundreds of runs would add nothing but time.
DEVICE_OF = sweep.devices()


def run_command(wildcards):
    words = [*IGAN, *run_arguments(RUNS[wildcards.run]), "--quiet", "--results", str(sweep.results)]
    if DEVICE_OF:
        visible = visible_device(DEVICE_OF[wildcards.run], os.environ.get("CUDA_VISIBLE_DEVICES"))
        words = ["env", f"CUDA_VISIBLE_DEVICES={visible}", *words]
    return shlex.join(words)


# Snakemake counts a resource of its own for each device: at most `slots` runs are on it at a time.
DEVICES = {f"device{number}": number for number in range(sweep.gpus)}
for resource in DEVICES:
    workflow.register_resource(resource, sweep.slots)


def takes(number):
    return lambda wildcards: int(DEVICE_OF[wildcards.run] == number)


# A rule for each seed, since a priority belongs to a rule: seeds come in turn, and a sweep that is cut short has whole
# tables of few seeds. One thread a run, since a result's last digits depend on the number of threads.
for seed in range(sweep.seeds):

    rule:
        name:
            f"run_seed{seed}"
        output:
            f"{sweep.results}/runs/{{run,.+-s{seed}-[^-]+}}.json",
        log:
            sweep.run_log("{run}"),
        params:
            command=run_command,
        threads: 1
        resources:  # asked of SLURM: MB and minutes
            mem_mb=4000,
            runtime=240,
            **{resource: takes(number) for resource, number in DEVICES.items()},
        priority: sweep.seeds - seed
        message:
            "Run {wildcards.run}"
        shell:
            "{params.command} --threads {threads} > {log:q} 2>&1"


for study in sweep.chosen():

    rule:
        name:
            study.name
        input:
            wanted(study),

    rule:
        name:
            f"write_{study.name}"
        localrule: True
        input:
            run_files(study),
            TABLE_CODE,
        output:
            table_files(study),
        log:
            sweep.table_log(study),
        params:
            command=shlex.join(IGAN + sweep.table_arguments(study)),
        priority: sweep.seeds + 1
        message:
            f"Write the table {study.name}"
        shell:
            "{params.command} > {log:q} 2>&1"


rule report:
    input:
        sweep.report,


rule write_report:
    localrule: True
    input:
        wanted(*sweep.chosen()),
        REPORT_CODE,
    output:
        sweep.report,
        sweep.report.with_name("claims.csv"),
    log:
        sweep.results / "logs" / "report.log",
    params:
        command=shlex.join(IGAN + sweep.report_arguments()),
    message:
        "Write the report"
    shell:
        "{params.command} > {log:q} 2>&1"


# A run that failed keeps its tables from being made: here they are written with a hole.
onerror:
    for item in sweep.note_unfinished():
        print(f"not finished: {item.name}: {item.cause} (log: {item.log})", file=sys.stderr)
    asked = {job.rule.name.removeprefix("write_") for job in workflow.dag.jobs}
    sweep.write_tables_with_holes(asked)
    if "report" in asked:
        subprocess.run([*IGAN, *sweep.report_arguments()], check=False)


onsuccess:
    sweep.note_unfinished()
