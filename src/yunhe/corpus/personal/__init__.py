"""Finding personal details in Chinese text: one module per family of details."""
