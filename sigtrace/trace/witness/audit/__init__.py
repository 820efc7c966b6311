"""Audit: records of auditd, as its log has them and as ausearch prints them."""
