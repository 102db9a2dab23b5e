#!/usr/bin/env bash
# All that a GPU is asked, in at most 10 minutes: bash tests/benchmarks/gpu.sh OUT
# PYTHON, FACES (labelled ones a step) and SIDE (pixels) can be set. Without a GPU it runs
# on the CPU, to be tried: FACES=4 SIDE=64. Each part has its own limit of seconds and
# file in OUT; one that fails does not keep the others from running.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:?a folder for what is measured}
python=${PYTHON:-python}
mkdir -p "$out"
export TF_CPP_MIN_LOG_LEVEL=3 TF_FORCE_GPU_ALLOW_GROWTH=true PYTHONPATH=$PWD

part() {
    local name=$1 limit=$2
    shift 2
    timeout "$limit" "$@" >"$out/$name.txt" 2>&1
    echo "$name: status $?, $SECONDS s so far"
}

part devices 20 nvidia-smi
part doctor 60 "$python" -m kerasfer doctor
# Steps in float16, bfloat16 and under XLA: of the schemes whose turn it is.
part precisions 150 "$python" -m pytest -q -m "slow or not slow" \
    tests/test_contract.py -k "precision or xla or overflow"
# Images a second beside PyTorch on the same card, in turns.
part steps 150 "$python" tests/benchmarks/steps.py \
    --faces "${FACES:-64}" --side "${SIDE:-224}"
# Whether the input keeps up: a run without workers, and with one for each core but one.
for workers in 0 $(($(nproc) - 1)); do
    part "run_with_${workers}_workers" 100 "$python" recipes/baselines.py \
        --config resnet18 --scheme fixmatch --rendered-faces 2000 --image-size "${SIDE:-224}" \
        --batch-size "${FACES:-64}" --unlabeled-ratio 1 --epochs 3 --steps-per-epoch 30 \
        --mixed-precision bfloat16 --data-workers "$workers" --no-report \
        --out "$out/runs_$workers"
done
grep -h seconds_per_epoch -r "$out"/runs_*/ --include result.json
