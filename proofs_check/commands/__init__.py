"""The commands of ``lop``, one file each."""
