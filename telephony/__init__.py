"""Everything that talks to Asterisk: AMI, offers and plans carried out, trunks, live calls."""
