"""The actions of operators: who they are, the log of what they did, and its seals."""
