"""How clients speak. Pure functions, no I/O."""
