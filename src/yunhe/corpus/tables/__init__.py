"""De-identification (去标识化) of tables: k-anonymity and l-diversity by generalising columns."""
