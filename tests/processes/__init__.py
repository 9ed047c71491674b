"""Several processes together: killed, stopped, restarted, cut off."""
