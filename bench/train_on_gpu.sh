#!/usr/bin/env bash
# Training on a lent GPU in three commands of at most ten minutes each (docs/training.md says what travels and what comes back).
#   bash bench/train_on_gpu.sh 1|2|3 SHARDS OUT [WEIGHTS]
# 1: throughput, then the expert.  2: the generator with the sync loss.  3: the discriminator, baselines, tables of sync.
# WEIGHTS is the folder of what earlier parts brought back (parts 2 and 3). Everything a part makes goes to OUT.
# DRY_RUN=1 does one tiny step of everything on the processor: run it before a GPU is lent.
set -euo pipefail
part=$1 shards=$2 out=$3 weights=${4:-$3}
export PYTHONPATH=. PYTHONUNBUFFERED=1
python=${PYTHON:-python3} runs=${RUNS:-runs}
gpu="--device cuda --bf16 --check-every 500 --share lrcar=0.7 --share grid=0.3"
dry=${DRY_RUN:+--device cpu --steps 1 --set clips=2}  # given last, so it wins
dry_bench=${DRY_RUN:+--device cpu --steps 1 --clips 2}
dry_measure=${DRY_RUN:+--pairs 1}
train() { "$python" -m dubkit.cli.train "$@"; }
throughput() { "$python" bench/train.py "$shards" --device cuda --bf16 --steps 30 "$@" $dry_bench; }
keep() { for run in "$@"; do cp "$runs/$run/$run.safetensors" "$runs/$run/$run.meta.json" "$out/"; done; }
mkdir -p "$out" "$runs"

case $part in
1)
  throughput
  throughput --width 7 --clips 32
  train expert "$shards" "$runs/expert" $gpu --steps 12000 --minutes 7 --set clips=48 --set learning_rate=1.5e-3 $dry
  keep expert
  ;;
2)
  # width 7: 14 MB in half precision, what the package has room for
  train generator "$shards" "$runs/generator" $gpu --width 7 --steps 16000 --minutes 8.5 --expert "$weights/expert.safetensors" \
    --set clips=32 --set frames=5 --set choices=12 --set temperature=8 --set mouth=8 --set edges=0.5 --set colour=1 \
    --set sync_in_grey=True --set sync_weight=0.01 --set other_clip=0.2 $dry
  keep generator
  cp "$runs/generator/strip.png" "$out/generator.png"
  ;;
3)
  train gan "$shards" "$runs/gan" $gpu --steps 6000 --minutes 4 --expert "$weights/expert.safetensors" \
    --start-from "$weights/generator.safetensors" --discriminator 16 \
    --set clips=32 --set choices=12 --set temperature=8 --set mouth=8 --set edges=0.5 --set colour=1 \
    --set sync_in_grey=True --set sync_weight=0.01 --set other_clip=0.2 $dry
  keep gan
  train lipgan "$shards" "$runs/lipgan" $gpu --steps 3000 --minutes 1.5 $dry
  train speech2vid "$shards" "$runs/speech2vid" $gpu --steps 3000 --minutes 1 $dry
  keep lipgan speech2vid
  train measure "$shards" --only expert --only sync --expert "$weights/expert.safetensors" \
    --model generator="$weights/generator.safetensors" --model gan="$runs/gan/gan.safetensors" \
    --model LipGAN="$runs/lipgan/lipgan.safetensors" --model Speech2Vid="$runs/speech2vid/speech2vid.safetensors" \
    --output "$out/tables.json" $dry_measure | tee "$out/tables.md"
  ;;
esac
