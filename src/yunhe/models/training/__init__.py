"""Entry points that run as workloads: a job file in, artefacts out."""
