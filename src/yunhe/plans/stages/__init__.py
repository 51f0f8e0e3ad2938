"""The stages of a run, one module each; `yunhe.plans.service` runs them in order."""
