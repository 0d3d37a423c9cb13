"""Registration: frames of one moment brought together, in time (`sync`) and on the same pixels (`warp`)."""
