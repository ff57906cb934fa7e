"""From facts to an ordered plan, with a reason for every candidate. Pure."""
