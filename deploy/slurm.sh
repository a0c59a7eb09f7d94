#!/bin/bash
# sbatch --nodes 2 deploy/slurm.sh general --data /shared/pictures --out /shared/runs/pictures
#
# The arguments are those of `penstroke train`. Each node starts one torchrun, which starts a process per core, or per
# GPU if the job has GPUs. A requeued job keeps its number, so that it continues its run from the latest checkpoint.
#SBATCH --job-name=penstroke
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
exec srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" \
    --nproc-per-node "${SLURM_GPUS_ON_NODE:-${SLURM_CPUS_ON_NODE}}" \
    --rdzv-id "slurm-$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "$first:${PORT:-29400}" \
    --max-restarts 3 -m penstroke train "$@"
