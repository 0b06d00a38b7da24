# Which tables and notebooks need which runs, for Snakemake: a laptop, several GPUs or SLURM by the same rules.
#
#   snakemake --cores 2 tables                          every table: profile cpu, five seeds
#   snakemake --cores 2 --config seeds=3 -- table4      one of them
#   snakemake --cores 2 notebooks                       every table, then the notebooks that show them, with figures
#   snakemake --cores 2 07_table4_ablation              one of them; 08's name is figure2
#   snakemake --cores 2 report                          all of these, then the report
#   snakemake --cores 2 --config holes=yes -- report    the same of the runs that are there, without making any
#   snakemake --cores 2 --dry-run                       what there is to do
#
# Called from anywhere with `snakemake -s PATH/Snakefile`, it works in this file's folder; --directory names another one.
# Keys of --config are the fields of igan_lib.reproduction.workflow.Sweep. profiles/default holds the options that make a killed
# sweep go on.
import os
import shlex
import subprocess
import sys


# Before the import: an installed package takes the working folder for the project's.
workdir: workflow.basedir


import igan_lib
from igan_lib.checkout import written_by_git
from igan_lib.reproduction.workflow import make_sweep, run_arguments, visible_device

sweep = make_sweep(config)
IGAN = [sys.executable, "-m", "igan_lib"]
RUNS = {name: run for study in sweep.chosen() for name, run in sweep.runs(study).items()}


def run_files(study):
    files = [f"{sweep.results}/runs/{name}.json" for name in sweep.runs(study)]
    return [file for file in files if Path(file).exists()] if sweep.holes else files


def table_files(study):
    return [f"{sweep.tables}/{name}" for name in study.files]


# A target asks for a table's runs too: a table that is there, with a hole or with fewer seeds, counts as up to date
# for Snakemake as long as nobody asks for the runs that it misses. And for all its files, since a kill may part them.
def wanted(*studies):
    return [file for study in studies for file in run_files(study) + table_files(study)]


def shown_by(notebook):
    return wanted(*(study for study in sweep.chosen() if study.name in notebook.studies))


# Without these a table would stay as it is when its title, its rows or the paper's numbers are corrected, or when a
# preset changes back: its runs are then older than the table that showed others.
LIBRARY = Path(igan_lib.__file__).parent
TABLE_CODE = [LIBRARY / "reproduction" / f"{name}.py" for name in ("estimate", "paper", "results", "studies", "tables")]
TABLE_CODE += [LIBRARY / f"{name}.py" for name in ("experiment/presets", "method/config", "training/schedule")]


BENCHMARKS = sorted(sweep.results.glob("benchmarks*.json"))  # 06, 07 and the report show some, where they were measured
COPIES = [sweep.copy_of(notebook) for notebook in sweep.notebooks()]
# Those that are there already: one may be drawn anew by hand, in JupyterLab.
PICTURES = sorted(path for kind in ("png", "svg") for path in sweep.pictures.glob(f"*.{kind}"))
# A notebook reaches nearly all of the library, and a picture of old code is worse than one drawn again.
CODE = sorted(path for kind in ("py", "jinja", "toml", "mplstyle") for path in LIBRARY.rglob(f"*.{kind}"))
CODE += sorted(Path("notebooks/tools").glob("*.py"))


SHIPPED = written_by_git(Path.cwd())


# What was committed together belongs together, and tests hold it so. By the times of a fresh clone, which are those of
# cloning, half of it would be made once more.
def unless_shipped(outputs, *inputs):
    """The inputs; without their times where these and the outputs are all as git wrote them."""
    files = {Path(file).resolve() for file in (*outputs, *inputs)}
    return [ancient(str(file)) if files <= SHIPPED else str(file) for file in inputs]


rule all:
    input:
        wanted(*sweep.chosen()),
        COPIES,
        sweep.report,


rule report:
    input:
        rules.all.input,


# A table's name is cheap to ask for: its numbers, without a kernel. The figures belong to the notebooks.
rule notebooks:
    input:
        COPIES,
        *map(shown_by, sweep.notebooks()),


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
            sweep.log_of(sweep.results / "runs" / "{run}.json"),
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
            unless_shipped(table_files(study), *run_files(study), *TABLE_CODE),
        output:
            table_files(study),
        log:
            sweep.log_of(sweep.tables / f"{study.name}.csv"),
        params:
            command=shlex.join(IGAN + sweep.table_arguments(study)),
        priority: sweep.seeds + 1
        message:
            f"Write the table {study.name}"
        shell:
            "{params.command} > {log:q} 2>&1"


# The copy alone is the output. Snakemake removes outputs before it makes them anew, and without data or weights there
# are fewer figures: notebook 08 then shows the Figure 2 that is there. A notebook writes most of its tables once more,
# from the same runs, so Snakemake finds them as they were. It asks for them all the same: one that can't be written, for a
# damaged result, is not to appear by the back door.
for notebook in sweep.notebooks():

    rule:
        name:
            "figure2" if notebook.name == "08_figure2_tsne" else notebook.name
        input:
            shown_by(notebook),
            sweep.copy_of(notebook),

    rule:
        name:
            f"execute_{notebook.name}"
        localrule: True
        input:
            unless_shipped([sweep.copy_of(notebook)], *shown_by(notebook), *BENCHMARKS, notebook.file, *CODE),
        output:
            sweep.copy_of(notebook),
        log:
            sweep.log_of(sweep.copy_of(notebook)),
        params:
            command=shlex.join(IGAN + sweep.notebook_arguments(notebook)),
        threads: 1  # Snakemake tells the kernel so: a network whose checkpoint is missing is trained as by its run
        priority: sweep.seeds + 1
        message:
            f"Execute the notebook {notebook.name}"
        shell:
            "{params.command} > {log:q} 2>&1"


REPORT = [sweep.report, *(sweep.report.with_name(f"{name}.csv") for name in ("claims", "claims_parts"))]
SOURCES = [notebook.file for notebook in sweep.notebooks()]  # of the copies


rule write_report:
    localrule: True
    input:
        unless_shipped(REPORT, *wanted(*sweep.chosen()), *SOURCES, *COPIES, *PICTURES, *BENCHMARKS, *CODE),
    output:
        REPORT,
    log:
        sweep.log_of(sweep.report),
    params:
        command=shlex.join(IGAN + sweep.report_arguments()),
    message:
        "Write the report"
    shell:
        "{params.command} > {log:q} 2>&1"


def asked():
    return {job.rule.name.removeprefix("write_").removeprefix("execute_") for job in workflow.dag.jobs}


# A run that failed keeps its tables from being made, and with them notebooks and report. Here tables and report are
# written with a hole. Notebooks are not executed: this is also where Ctrl-C ends, which should not wait for kernels,
# and one whose run failed might train it again. Their copies and figures stay as they were, never newer than their
# tables, so that they are made as soon as the runs are there, or at once with holes=yes.
onerror:
    for item in sweep.unfinished(asked()):
        print("not finished: {name}: {cause} (log: {log})".format(**item), file=sys.stderr)
    sweep.write_tables_with_holes(asked())
    if "report" in asked():
        subprocess.run([*IGAN, *sweep.report_arguments()], check=False)
    if not sweep.holes and asked() & {notebook.name for notebook in sweep.notebooks()}:
        print("Figures and notebooks of what did not finish are as before: holes=yes makes them.", file=sys.stderr)
