"""The journal of systemd and the kernel's log as witnesses of endings, where nobody recorded signals."""
