// Draws a trial's learning curve.
import { drawAll } from "./charts.js";

drawAll();
