"""What tasks do: each calls the function of a command. Importing a module registers its kinds."""
