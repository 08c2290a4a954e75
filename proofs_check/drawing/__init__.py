"""Random networks and points, drawn choice by choice, for campaigns and for Hypothesis."""
