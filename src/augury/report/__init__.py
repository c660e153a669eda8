"""What a person looks at: figures, the coloured token view, tables and pages."""
