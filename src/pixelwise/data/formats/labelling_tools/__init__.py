"""Files of labelling tools: LabelMe, CVAT, Label Studio, VGG Image Annotator and Supervisely."""
