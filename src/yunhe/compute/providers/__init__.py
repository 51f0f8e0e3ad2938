"""Everything that really runs workloads, one module per kind, behind one seam."""
