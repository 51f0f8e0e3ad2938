"""What `yunhe doctor` looks at; one small module a subject."""
